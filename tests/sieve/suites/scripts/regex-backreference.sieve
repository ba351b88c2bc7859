require "regex"; if header :regex "Subject" "(a)\\1" { keep; }
