require "ihave"; if not ihave "vnd.example.nothing" { error "nothing to work with"; }
