require ["include", "variables"]; global "rings"; set "rings" "${rings}2"; include :once "ring1";
