// A certified OpenID provider. Its argument tells about the gate; it prints its issuer when it listens.
// There is a person who always agrees; POST /control says who that is and how they prove it:
// {"account", "acr", "amr", "decline"}. With "people" in the argument, whoever sits in front of the browser
// chooses one of them on a page instead, without a password: [{"account", "name", "groups", "amr"}].
import http from "node:http";
import Provider from "oidc-provider";

const gate = JSON.parse(process.argv[2]);
let person = { account: "hanako" };
let handler = (request, response) => response.writeHead(503).end();

const body = async (request) => {
  let text = "";
  for await (const chunk of request) text += chunk;
  return text;
};

const server = http.createServer((request, response) => handler(request, response));
server.listen(0, "127.0.0.1", () => {
  const issuer = `http://127.0.0.1:${server.address().port}`;
  const provider = new Provider(issuer, {
    clients: [
      {
        client_id: "gate",
        client_secret: "the client's secret & more",
        redirect_uris: gate.redirect_uris,
        post_logout_redirect_uris: gate.post_logout_redirect_uris,
        backchannel_logout_uri: gate.backchannel_logout_uri,
        backchannel_logout_session_required: true,
        application_type: "native",
      },
    ],
    features: {
      devInteractions: { enabled: false },
      backchannelLogout: { enabled: true },
      rpInitiatedLogout: { enabled: true },
    },
    pkce: { required: () => true },
    // It guards itself against private addresses, where the gate is here.
    fetch: (url, { dispatcher, ...options }) => fetch(url, options),
    acrValues: ["urn:example:2fa"],
    claims: {
      openid: ["sub", "acr", "amr", "auth_time"],
      profile: ["name", "preferred_username", "groups", "oid"],
      email: ["email"],
    },
    conformIdTokenClaims: gate.userinfo === true,
    interactions: { url: (_, interaction) => `/interaction/${interaction.uid}` },
    findAccount: (_, id) => {
      const known = gate.people?.find((one) => one.account === id);
      return {
        accountId: id,
        claims: () => ({
          sub: id,
          oid: `oid-${id}`,
          name: known?.name ?? `${id} さん`,
          preferred_username: id,
          email: `${id}@example.com`,
          groups: known?.groups ?? ["G-1", "G-9"],
        }),
      };
    },
  });
  const callback = provider.callback();

  const choose = (request, response) => {
    const buttons = gate.people.map(
      ({ account, name }) => `<p><button name="account" value="${account}">${name}</button></p>`,
    );
    response.setHeader("content-type", "text/html; charset=utf-8");
    response.end(
      `<!doctype html><title>Kawasemi Trading</title><h1>Kawasemi Trading</h1>
       <p>The company's sign-in, played by oidc-provider. Who are you?</p>
       <form method="post" action="${request.url}">${buttons.join("")}</form>`,
    );
  };

  const interact = async (request, response) => {
    const { prompt, params, session } = await provider.interactionDetails(request, response);
    let result;
    if (gate.people && prompt.name === "login") {
      if (request.method !== "POST") return choose(request, response);
      const account = new URLSearchParams(await body(request)).get("account");
      const chosen = gate.people.find((one) => one.account === account);
      if (!chosen) return choose(request, response);
      person = chosen;
    }
    if (person.decline) {
      result = { error: "access_denied" };
    } else if (prompt.name === "login") {
      result = { login: { accountId: person.account, acr: person.acr, amr: person.amr } };
    } else {
      const grant = new provider.Grant({ accountId: session.accountId, clientId: params.client_id });
      grant.addOIDCScope(params.scope);
      result = { consent: { grantId: await grant.save() } };
    }
    await provider.interactionFinished(request, response, result, { mergeWithLastSubmission: true });
  };

  handler = async (request, response) => {
    try {
      if (request.url === "/control") {
        person = JSON.parse(await body(request));
        response.writeHead(204).end();
      } else if (request.url.startsWith("/interaction/")) {
        await interact(request, response);
      } else {
        await callback(request, response);
      }
    } catch (error) {
      console.error(error);
      if (!response.headersSent) response.writeHead(500);
      response.end();
    }
  };
  console.log(JSON.stringify({ issuer, url: issuer }));
});
