// A SAML identity provider that can also do everything wrong. It prints its metadata when it listens.
// POST /answer with {"request", "relayState", "variant", …} returns the form that a browser would post:
// {"acs", "SAMLResponse", "RelayState"}. The variants are in `answers`.
import crypto from "node:crypto";
import http from "node:http";
import zlib from "node:zlib";
import { SignedXml } from "xml-crypto";

// Just enough DER for a self-signed certificate.
const der = (tag, ...parts) => {
  const content = Buffer.concat(parts);
  const length =
    content.length < 128
      ? Buffer.from([content.length])
      : Buffer.from([0x82, content.length >> 8, content.length & 255]);
  return Buffer.concat([Buffer.from([tag]), length, content]);
};
const sequence = (...parts) => der(0x30, ...parts);
const sha256WithRsa = sequence(Buffer.from("06092a864886f70d01010b0500", "hex"));
const certificateOf = ({ publicKey, privateKey }) => {
  const name = sequence(der(0x31, sequence(Buffer.from("0603550403", "hex"), der(0x0c, Buffer.from("idp")))));
  const time = (text) => der(0x17, Buffer.from(text));
  const tbs = sequence(
    der(0x02, Buffer.from([1])),
    sha256WithRsa,
    name,
    sequence(time("250101000000Z"), time("400101000000Z")),
    name,
    publicKey.export({ type: "spki", format: "der" }),
  );
  const signature = crypto.sign("sha256", tbs, privateKey);
  return sequence(tbs, sha256WithRsa, der(0x03, Buffer.from([0]), signature)).toString("base64");
};

const makeKeys = () => {
  const keys = crypto.generateKeyPairSync("rsa", { modulusLength: 2048 });
  return { ...keys, certificate: certificateOf(keys) };
};
const own = makeKeys();
const foreign = makeKeys();
const entityId = "https://idp.example/saml";

const RSA_SHA256 = "http://www.w3.org/2001/04/xmldsig-more#rsa-sha256";
const RSA_SHA1 = "http://www.w3.org/2000/09/xmldsig#rsa-sha1";
const EXCLUSIVE = "http://www.w3.org/2001/10/xml-exc-c14n#";

// Signs the element of that local name and id; the signature goes right after its issuer.
const sign = (xml, name, id, { keys = own, algorithm = RSA_SHA256 } = {}) => {
  const digest = algorithm === RSA_SHA1 ? "http://www.w3.org/2000/09/xmldsig#sha1" : "http://www.w3.org/2001/04/xmlenc#sha256";
  const signer = new SignedXml({
    privateKey: keys.privateKey.export({ type: "pkcs8", format: "pem" }),
    signatureAlgorithm: algorithm,
    canonicalizationAlgorithm: EXCLUSIVE,
    getKeyInfoContent: () => `<ds:X509Data><ds:X509Certificate>${keys.certificate}</ds:X509Certificate></ds:X509Data>`,
  });
  const path = `//*[local-name(.)='${name}' and @ID='${id}']`;
  signer.addReference({
    xpath: path,
    digestAlgorithm: digest,
    transforms: ["http://www.w3.org/2000/09/xmldsig#enveloped-signature", EXCLUSIVE],
  });
  signer.computeSignature(xml, {
    prefix: "ds",
    location: { reference: `${path}/*[local-name(.)='Issuer']`, action: "after" },
  });
  return signer.getSignedXml();
};

const instant = (seconds) => new Date(Date.now() + seconds * 1000).toISOString().replace(/\.\d+Z/, "Z");

const assertion = (facts) => `<saml:Assertion xmlns:saml="urn:oasis:names:tc:SAML:2.0:assertion" ID="${facts.assertionId}" Version="2.0" IssueInstant="${instant(facts.shift)}"><saml:Issuer>${facts.issuer}</saml:Issuer><saml:Subject><saml:NameID Format="${facts.format}">${facts.nameId}</saml:NameID><saml:SubjectConfirmation Method="urn:oasis:names:tc:SAML:2.0:cm:bearer"><saml:SubjectConfirmationData InResponseTo="${facts.inResponseTo}" Recipient="${facts.recipient}" NotOnOrAfter="${instant(facts.shift + 300)}"/></saml:SubjectConfirmation></saml:Subject><saml:Conditions NotBefore="${instant(facts.shift - 30)}" NotOnOrAfter="${instant(facts.shift + 300)}"><saml:AudienceRestriction><saml:Audience>${facts.audience}</saml:Audience></saml:AudienceRestriction></saml:Conditions><saml:AuthnStatement AuthnInstant="${instant(facts.shift)}" SessionIndex="session-1"><saml:AuthnContext><saml:AuthnContextClassRef>${facts.context}</saml:AuthnContextClassRef></saml:AuthnContext></saml:AuthnStatement><saml:AttributeStatement><saml:Attribute Name="groups"><saml:AttributeValue>G-1</saml:AttributeValue><saml:AttributeValue>G-9</saml:AttributeValue></saml:Attribute><saml:Attribute Name="displayName"><saml:AttributeValue>花子</saml:AttributeValue></saml:Attribute>${facts.moreAttributes}</saml:AttributeStatement></saml:Assertion>`;

const response = (facts, content) => `<samlp:Response xmlns:samlp="urn:oasis:names:tc:SAML:2.0:protocol" xmlns:saml="urn:oasis:names:tc:SAML:2.0:assertion" ID="${facts.responseId}" Version="2.0" IssueInstant="${instant(facts.shift)}" Destination="${facts.destination}" InResponseTo="${facts.inResponseTo}"><saml:Issuer>${facts.issuer}</saml:Issuer><samlp:Status><samlp:StatusCode Value="${facts.status}"/></samlp:Status>${content}</samlp:Response>`;

const defaults = (request, asked) => ({
  responseId: `_${crypto.randomUUID()}`,
  assertionId: `_${crypto.randomUUID()}`,
  issuer: entityId,
  inResponseTo: request.id,
  destination: request.acs,
  recipient: request.acs,
  audience: request.issuer,
  nameId: "hanako",
  format: "urn:oasis:names:tc:SAML:2.0:nameid-format:persistent",
  context: "urn:oasis:names:tc:SAML:2.0:ac:classes:PasswordProtectedTransport",
  status: "urn:oasis:names:tc:SAML:2.0:status:Success",
  shift: 0,
  moreAttributes: "",
  ...asked,
});

const both = (facts, options) => {
  const inner = sign(response(facts, assertion(facts)), "Assertion", facts.assertionId, options);
  return sign(inner, "Response", facts.responseId, options);
};
const evil = (facts) => assertion({ ...facts, assertionId: `_${crypto.randomUUID()}`, nameId: "admin" });
const signedAssertion = (xml) => /<saml:Assertion[\s\S]*<\/saml:Assertion>/.exec(xml)[0];

// Each takes the facts and returns the text of a response.
const answers = {
  good: both,
  "response signed only": (f) => sign(response(f, assertion(f)), "Response", f.responseId),
  "assertion signed only": (f) => sign(response(f, assertion(f)), "Assertion", f.assertionId),
  unsigned: (f) => response(f, assertion(f)),
  "signed by another": (f) => both(f, { keys: foreign }),
  "signed with sha-1": (f) => both(f, { algorithm: RSA_SHA1 }),
  "signature stripped": (f) => both(f).replace(/<ds:Signature[\s\S]*?<\/ds:Signature>/, ""),
  "all signatures stripped": (f) => both(f).replace(/<ds:Signature[\s\S]*?<\/ds:Signature>/g, ""),
  "name changed": (f) => both(f).replace(">hanako<", ">admin<"),
  "groups changed": (f) => both(f).replace(">G-1<", ">G-2<"),
  "wrong audience": (f) => both({ ...f, audience: "https://other.example" }),
  "no audience": (f) => {
    const bare = (xml) => xml.replace(/<saml:AudienceRestriction>.*?<\/saml:AudienceRestriction>/, "");
    const inner = sign(bare(response(f, assertion(f))), "Assertion", f.assertionId);
    return sign(inner, "Response", f.responseId);
  },
  "wrong recipient": (f) => both({ ...f, recipient: "https://other.example/acs" }),
  "wrong destination": (f) => both({ ...f, destination: "https://other.example/acs" }),
  "wrong issuer": (f) => both({ ...f, issuer: "https://other.example" }),
  "another request": (f) => both({ ...f, inResponseTo: `_${crypto.randomUUID()}` }),
  unsolicited: (f) => both(f).replace(/ InResponseTo="[^"]*"/g, ""),
  expired: (f) => both({ ...f, shift: -3600 }),
  "from the future": (f) => both({ ...f, shift: 3600 }),
  "status failed": (f) => both({ ...f, status: "urn:oasis:names:tc:SAML:2.0:status:Requester" }),
  // Signature wrapping: the signed assertion is kept somewhere, another one is offered.
  "wrapped: evil before": (f) => both(f).replace("<saml:Assertion", `${evil(f)}<saml:Assertion`),
  "wrapped: evil after": (f) => both(f).replace("</samlp:Response>", `${evil(f)}</samlp:Response>`),
  "wrapped: evil around": (f) => {
    const signed = signedAssertion(sign(response(f, assertion(f)), "Assertion", f.assertionId));
    const around = evil(f).replace("</saml:Assertion>", `<saml:Advice>${signed}</saml:Advice></saml:Assertion>`);
    return response(f, around);
  },
  "wrapped: original in extensions": (f) => {
    const whole = both(f);
    const hidden = `<samlp:Extensions>${whole}</samlp:Extensions>`;
    const outer = { ...f, responseId: `_${crypto.randomUUID()}` };
    return response(outer, evil(f)).replace("<samlp:Status>", `${hidden}<samlp:Status>`);
  },
  "wrapped: original in the signature": (f) => {
    const whole = sign(response(f, assertion(f)), "Assertion", f.assertionId);
    const signed = signedAssertion(whole);
    const signature = /<ds:Signature[\s\S]*?<\/ds:Signature>/.exec(signed)[0];
    const bare = signed.replace(signature, "");
    const holding = signature.replace("</ds:Signature>", `<ds:Object>${bare}</ds:Object></ds:Signature>`);
    return response(f, evil(f).replace("</saml:Issuer>", `</saml:Issuer>${holding}`));
  },
  "wrapped: same id twice": (f) => {
    const twin = assertion({ ...f, nameId: "admin" });
    return both(f).replace("</samlp:Response>", `${twin}</samlp:Response>`);
  },
  "comment injected after signing": (f) => both(f).replace(">hanako<", ">admin<!-- -->hanako<"),
  doctype: (f) => `<!DOCTYPE r [<!ENTITY e "admin">]>${both(f)}`,
  "processing instruction": (f) => both(f).replace("<saml:Subject>", "<?evil?><saml:Subject>"),
  "attribute added after signing": (f) =>
    both(f).replace(
      "</saml:AttributeStatement>",
      '<saml:Attribute Name="role"><saml:AttributeValue>G-1</saml:AttributeValue></saml:Attribute></saml:AttributeStatement>',
    ),
  // Signed like this, it is what the provider says: the values add up.
  "attribute twice": (f) =>
    both({ ...f, moreAttributes: '<saml:Attribute Name="groups"><saml:AttributeValue>G-2</saml:AttributeValue></saml:Attribute>' }),
  transient: (f) => both({ ...f, format: "urn:oasis:names:tc:SAML:2.0:nameid-format:transient" }),
  "e-mail address": (f) => both({ ...f, format: "urn:oasis:names:tc:SAML:1.1:nameid-format:emailAddress" }),
  "no xml": () => "not xml at all",
  // Signed by the provider with a comment in the name: the whole name counts, so this is somebody else.
  "comment in the signed name": (f) => both({ ...f, nameId: "hana<!-- -->ko" }),
};

const readRequest = (encoded) => {
  const xml = zlib.inflateRawSync(Buffer.from(encoded, "base64")).toString();
  const attribute = (name) => new RegExp(`${name}="([^"]*)"`).exec(xml)[1];
  return {
    id: attribute("ID"),
    acs: attribute("AssertionConsumerServiceURL"),
    issuer: /<saml:Issuer>([^<]*)</.exec(xml)[1],
    xml,
  };
};

const server = http.createServer(async (request, responder) => {
  try {
    let text = "";
    for await (const chunk of request) text += chunk;
    const asked = JSON.parse(text);
    const parsed = readRequest(asked.request);
    const xml = answers[asked.variant ?? "good"](defaults(parsed, asked.facts));
    responder.writeHead(200, { "content-type": "application/json" }).end(
      JSON.stringify({
        acs: parsed.acs,
        request: parsed.xml,
        SAMLResponse: Buffer.from(xml).toString("base64"),
        RelayState: asked.relayState,
      }),
    );
  } catch (error) {
    responder.writeHead(500).end(String(error.stack));
  }
});
server.listen(0, "127.0.0.1", () => {
  const url = `http://127.0.0.1:${server.address().port}`;
  console.log(JSON.stringify({ url, entityId, certificate: own.certificate, variants: Object.keys(answers) }));
});
