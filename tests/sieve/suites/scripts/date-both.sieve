require "date"; if date :zone "+0100" :originalzone "date" "year" "1" { keep; }
