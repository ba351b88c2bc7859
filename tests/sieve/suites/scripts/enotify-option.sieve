require "enotify"; notify :options "no value" "mailto:a@b";
