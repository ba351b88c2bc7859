require "date"; if date "date" "century" "1" { keep; }
