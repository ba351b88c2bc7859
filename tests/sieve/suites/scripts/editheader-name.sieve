require "editheader"; addheader "X A:" "x";
