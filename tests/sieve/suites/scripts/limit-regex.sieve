require "regex"; if header :regex "a" "((a{200}){200}){200}" { keep; }
