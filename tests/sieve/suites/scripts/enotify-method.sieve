require "enotify"; notify "tel:+1";
