require ["include", "variables"]; set "a" "sets"; include "${a}";
