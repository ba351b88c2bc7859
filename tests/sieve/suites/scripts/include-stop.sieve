require ["include", "fileinto"]; include "stops"; fileinto "x";
