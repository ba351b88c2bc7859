require ["include", "variables"]; global "rings"; set "rings" "${rings}1"; include :once "ring2";
