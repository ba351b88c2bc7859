require ["include", "fileinto"]; include "requires-not";
