require ["editheader", "encoded-character"]; addheader "x-a" "b${hex:00}c";
