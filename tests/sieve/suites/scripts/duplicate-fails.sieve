require ["duplicate", "ihave"]; if duplicate :header "X-Event-ID" { stop; } error "failed";
