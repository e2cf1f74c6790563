//! The schema of people and its extension for companies (RFC 7643 sections 4.1 and 4.3). `password` is left
//! out: nobody signs in here with one, so it is never taken.

use super::{Attribute, ENTERPRISE_URN, Kind, Schema, USER_URN};

pub(super) static USER: Schema = Schema {
    id: USER_URN,
    name: "User",
    description: "A person",
    attributes: &ATTRIBUTES,
};

pub(super) static ENTERPRISE: Schema = Schema {
    id: ENTERPRISE_URN,
    name: "EnterpriseUser",
    description: "What a company knows of a person",
    attributes: &ENTERPRISE_ATTRIBUTES,
};

const TYPE: &str = "What it is for";
const DISPLAY: Attribute = Attribute::text("display", "For people to read");
const PRIMARY: Attribute = Attribute::boolean("primary", "Whether it is the preferred one");
const PLACES: &[&str] = &["work", "home", "other"];

const NAME: [Attribute; 6] = [
    Attribute::text("formatted", "The whole name"),
    Attribute::text("familyName", "Family name"),
    Attribute::text("givenName", "Given name"),
    Attribute::text("middleName", "Middle names"),
    Attribute::text("honorificPrefix", "What stands before the name"),
    Attribute::text("honorificSuffix", "What stands after the name"),
];

const EMAIL: [Attribute; 4] = [
    Attribute::text("value", "Mail address"),
    DISPLAY,
    Attribute::text("type", TYPE).canonical(PLACES),
    PRIMARY,
];

const PHONE_NUMBER: [Attribute; 4] = [
    Attribute::text("value", "Phone number"),
    DISPLAY,
    Attribute::text("type", TYPE).canonical(&["work", "home", "mobile", "fax", "pager", "other"]),
    PRIMARY,
];

const IM: [Attribute; 4] = [
    Attribute::text("value", "Address for instant messages"),
    DISPLAY,
    Attribute::text("type", TYPE)
        .canonical(&["aim", "gtalk", "icq", "xmpp", "msn", "skype", "qq", "yahoo"]),
    PRIMARY,
];

const PHOTO: [Attribute; 4] = [
    Attribute::reference("value", &["external"], "Address of a picture"),
    DISPLAY,
    Attribute::text("type", TYPE).canonical(&["photo", "thumbnail"]),
    PRIMARY,
];

const ADDRESS: [Attribute; 8] = [
    Attribute::text("formatted", "The whole address"),
    Attribute::text("streetAddress", "Street and house"),
    Attribute::text("locality", "City"),
    Attribute::text("region", "State or prefecture"),
    Attribute::text("postalCode", "Postal code"),
    Attribute::text("country", "Country, as ISO 3166-1 alpha-2"),
    Attribute::text("type", TYPE).canonical(PLACES),
    PRIMARY,
];

const MEMBERSHIP: [Attribute; 4] = [
    Attribute::text("value", "Id of the group")
        .case_exact()
        .read_only(),
    Attribute::reference("$ref", &["Group"], "Address of the group").read_only(),
    Attribute::text("display", "Name of the group").read_only(),
    Attribute::text("type", "How the person came into it")
        .canonical(&["direct", "indirect"])
        .read_only(),
];

const PLAIN: [Attribute; 4] = [
    Attribute::text("value", "The value"),
    DISPLAY,
    Attribute::text("type", TYPE),
    PRIMARY,
];

const CERTIFICATE: [Attribute; 4] = [
    Attribute::new("value", Kind::Binary, "The certificate in Base64").case_exact(),
    DISPLAY,
    Attribute::text("type", TYPE),
    PRIMARY,
];

const ATTRIBUTES: [Attribute; 20] = [
    Attribute::text("userName", "Name to sign in with; unique")
        .required()
        .unique(),
    Attribute::complex("name", &NAME, "The parts of the name"),
    Attribute::text("displayName", "Name for people to read"),
    Attribute::text("nickName", "Casual name"),
    Attribute::reference("profileUrl", &["external"], "A page about the person"),
    Attribute::text("title", "Title"),
    Attribute::text("userType", "Kind of employment"),
    Attribute::text("preferredLanguage", "Preferred language"),
    Attribute::text("locale", "Language and region"),
    Attribute::text("timezone", "Time zone, as in the Olson database"),
    Attribute::boolean("active", "Whether the person may do anything at all"),
    Attribute::complex("emails", &EMAIL, "Mail addresses").multi(),
    Attribute::complex("phoneNumbers", &PHONE_NUMBER, "Phone numbers").multi(),
    Attribute::complex("ims", &IM, "Addresses for instant messages").multi(),
    Attribute::complex("photos", &PHOTO, "Pictures").multi(),
    Attribute::complex("addresses", &ADDRESS, "Postal addresses").multi(),
    Attribute::complex("groups", &MEMBERSHIP, "Groups the person is in")
        .multi()
        .read_only(),
    Attribute::complex("entitlements", &PLAIN, "What the person is entitled to").multi(),
    Attribute::complex("roles", &PLAIN, "Roles").multi(),
    Attribute::complex("x509Certificates", &CERTIFICATE, "Certificates").multi(),
];

const MANAGER: [Attribute; 3] = [
    Attribute::text("value", "Id of the manager").case_exact(),
    Attribute::reference("$ref", &["User"], "Address of the manager"),
    Attribute::text("displayName", "Name of the manager").read_only(),
];

const ENTERPRISE_ATTRIBUTES: [Attribute; 6] = [
    Attribute::text("employeeNumber", "Number of the employee"),
    Attribute::text("costCenter", "Cost center"),
    Attribute::text("organization", "Organization"),
    Attribute::text("division", "Division"),
    Attribute::text("department", "Department"),
    Attribute::complex("manager", &MANAGER, "The manager"),
];
