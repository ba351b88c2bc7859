require ["include", "variables"]; set "a" "x"; global "a";
