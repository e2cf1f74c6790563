// Words for the gate's own codes. A code without a word is shown as it is.

type Words = Record<string, string>;

const outcomes: Words = {
  intent: 'Under way',
  success: 'Done',
  error: 'Failed',
  refused: 'Refused',
  input_required: 'Asks back',
  cancelled: 'Cancelled',
  unknown: 'Unknown',
};

const classes: Words = { read: 'Read', create: 'Create', update: 'Update', delete: 'Delete', admin: 'Admin' };

const reviewStates: Words = {
  classified: 'Reviewed',
  unclassified: 'Not reviewed',
  definition_changed: 'Changed since review',
};

const connectorStates: Words = {
  ready: 'Ready',
  unreachable: 'Not reachable',
  not_asked: 'Not asked yet',
  disabled: 'Switched off',
};

const environments: Words = { production: 'Production', staging: 'Staging', development: 'Development' };

const kinds: Words = {
  user: 'Person',
  service_account: 'Service account',
  local_administrator: 'Local administrator',
  anonymous: 'Anybody',
};

const methods: Words = {
  access_token: 'Access token',
  service_key: 'Service-account key',
  local_administrator: 'Local administrator token',
  session: 'Browser session',
  none: 'None',
};

const phases: Words = { intent: 'Before', outcome: 'After', single: 'Whole' };

const stages: Words = {
  listen: 'Received',
  authenticate: 'Who',
  resolve: 'What',
  validate: 'Arguments',
  authorize: 'Policy',
  inspect_input: 'Inspection of the request',
  approve: 'Approval',
  intent: 'Record of what is about to happen',
  invoke: 'Call',
  inspect_output: 'Inspection of the answer',
  record: 'Record',
  reply: 'Answer',
};

const sources: Words = { scim: 'Provisioned (SCIM)', just_in_time: 'First sign-in', local: 'Local' };

const decisions: Words = { allow: 'Allowed', deny: 'Denied', approval: 'Needs approval' };

const policyOutcomes: Words = {
  decided: 'Decided',
  broken: 'Could not be evaluated',
  matched: 'Matched too',
  condition_false: 'Condition not met',
};

const problemCodes: Words = {
  invalid: 'Something that was entered is not right.',
  invalid_request: 'Something that was entered is not right.',
  conflict: 'That can’t be done as things stand.',
  not_found: 'It is not there. Somebody may have removed it.',
  policy_denied: 'The rules do not let you do this. Ask an administrator for the role that it takes.',
  unauthenticated: 'Your session has ended. Sign in again.',
  changed_meanwhile: 'Somebody changed it since you looked. Close this, look again, then decide.',
  audit_unavailable: 'The audit record could not be written, so nothing was done. Try again in a moment.',
  dependency_unavailable: 'The database does not answer. Try again in a moment.',
  timeout: 'It took too long. Try again in a moment.',
  busy: 'Too much at once. Try again in a moment.',
};

const areas: Words = {
  people: 'People and groups',
  sessions: 'Browser sessions',
  grants: 'Grants',
  clients: 'Clients',
  'service-accounts': 'Service accounts',
  'scim-tokens': 'SCIM tokens',
  'identity-providers': 'Identity providers',
  'identity-sources': 'Confirming where people come from',
  catalog: 'Catalogue',
  policies: 'Policies',
  audit: 'Audit log',
  contents: 'Contents of calls',
  approvals: 'Approvals',
  'guard-rails': 'Guard-rails',
  retention: 'Keeping and deleting records',
  settings: 'The configuration file',
  inspection: 'Inspection',
  'kill-switches': 'Kill switch',
  limits: 'Limits',
};

const events: Words = {
  'tool.call': 'Tool called',
  'resource.read': 'Resource read',
  'prompt.get': 'Prompt fetched',
  'completion.complete': 'Completion asked for',
  'catalog.list': 'Catalogue listed',
  'resource.subscribe': 'Resource subscribed to',
  'task.access': 'Task accessed',
  'authentication.failure': 'Authentication failed',
  'request.refused': 'Request refused',
  'session.open': 'MCP session opened',
  'session.close': 'MCP session closed',
  'connector.change': 'Connector changed',
  'tool.classify': 'Tool reviewed',
  'tool.rehearse': 'Call tried out',
  'tool.definition_change': 'Tool definition changed',
  'policy.change': 'Policies changed',
  'service_account.change': 'Service account changed',
  'access.revoke': 'Access revoked',
  'identity.sign_in': 'Signed in',
  'identity.step_up': 'Second factor proved',
  'identity.sign_out': 'Signed out',
  'identity.session_revoke': 'Browser session ended',
  'identity.consent': 'Client let in by a person',
  'identity.token_issue': 'Tokens issued',
  'identity.token_refuse': 'Tokens refused',
  'identity.client_change': 'Client changed',
  'identity.grant_revoke': 'Grant revoked',
  'identity.authenticator_change': 'Passkeys or codes changed',
  'identity.provider_change': 'Identity provider changed',
  'identity.set_up': 'First set-up',
  'user.change': 'Person changed',
  'group.change': 'Group changed',
  'scim_token.change': 'SCIM token changed',
  'kill_switch.engage': 'Kill switch engaged',
  'kill_switch.release': 'Kill switch released',
  'kill_switch.drill': 'Kill switch drill',
  'limit.change': 'Limit changed',
  'audit.search': 'Audit log searched',
  'saved_search.change': 'Saved search changed',
  'gateway.start': 'Gate started',
  'gateway.stop': 'Gate stopped',
  'audit.export': 'Audit log exported',
  'audit.verify': 'Audit log verified',
  'audit.rotate': 'Audit log of a year closed',
  'audit.reindex': 'Search index of the audit log rebuilt',
  'retention.purge': 'Old records removed',
  'legal_hold.change': 'Legal hold changed',
  'deletion.change': 'Deletion on request changed',
  'alert.raise': 'Alert raised',
  'alert.change': 'Alert acknowledged or changed',
  'audit.recovered': 'Journal recovered',
};

export const words = {
  outcomes,
  classes,
  reviewStates,
  connectorStates,
  environments,
  kinds,
  methods,
  phases,
  stages,
  sources,
  decisions,
  policyOutcomes,
  problemCodes,
  areas,
  events,
};
