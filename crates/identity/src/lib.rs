//! Who is calling: OAuth 2.1 resource server, service-account keys, local administrator
