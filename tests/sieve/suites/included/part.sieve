require ["variables", "include", "mime", "foreverypart", "body", "replace"];
global ["seen", "parts"];
if header :matches "content-type" "*/*" { set "type" "${1}"; }
if header :matches "subject" "*" { set "subject" "${1}"; }
set "seen" "${seen} ${type}:${subject}";
set "list" "";
foreverypart {
    if header :mime :subtype :matches "content-type" "*" { set "list" "${list} ${1}"; }
}
if string :matches "${list}" " *" { set "parts" "${parts}[${1}]"; }
if header :mime :subtype "content-type" "png" {
    if not body :raw :contains "three" { set "seen" "${seen} wrong body"; }
    if body :raw :contains "two" { set "seen" "${seen} wrong body"; }
    replace "replaced";
}
