require "relational"; if header :value "above" "Subject" "a" { keep; }
