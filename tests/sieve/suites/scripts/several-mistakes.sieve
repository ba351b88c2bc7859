if hedaer "a" "b" { keep; }
fileinto "x";
stpo;
