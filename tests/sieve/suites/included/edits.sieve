require "editheader";
if exists "x-outside" {
    deleteheader "X-Outside";
    addheader "X-Inside" "1";
}
