require "envelope"; if envelope "cc" "a" { keep; }
