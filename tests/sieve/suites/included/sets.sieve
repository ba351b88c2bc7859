require ["include", "variables"];
global "shared";
set "own" "inside";
set "shared" "inside";
return;
set "shared" "never";
