require "include"; include "missing";
