// Requests for approval, as the REST API tells of them.

import { answer, api, type Page, type Schemas } from './client.ts';

export type Which = 'for-me' | 'mine' | 'decided';
export type ApprovalRequest = Schemas['ApprovalRequestView'];
export type ApprovalDetails = Schemas['ApprovalDetailsView'];

/** What somebody decides, and what that takes. */
export type Decision =
  | ({ way: 'approve' } & Schemas['Approve'])
  | ({ way: 'refuse' } & Schemas['Refuse'])
  | { way: 'edit'; arguments: object }
  | ({ way: 'delegate' } & Schemas['Delegate'])
  | { way: 'cancel' };

export function listRequests(filter: Which, cursor: string | undefined, signal: AbortSignal): Promise<Page<ApprovalRequest>> {
  const query = { filter, limit: 200, ...(cursor ? { cursor } : {}) };
  return answer(api.GET('/api/v1/approval-requests', { params: { query }, signal }));
}

export function getRequest(id: string): Promise<ApprovalDetails> {
  return answer(api.GET('/api/v1/approval-requests/{id}', { params: { path: { id } } }));
}

export function decide(id: string, decision: Decision): Promise<Schemas['DecisionOutcome']> {
  const params = { path: { id } };
  switch (decision.way) {
    case 'approve': {
      const { way: _, ...body } = decision;
      return answer(api.POST('/api/v1/approval-requests/{id}/approve', { params, body }));
    }
    case 'refuse': {
      const { way: _, ...body } = decision;
      return answer(api.POST('/api/v1/approval-requests/{id}/refuse', { params, body }));
    }
    case 'edit':
      // The document says that arguments are an object, not which.
      return answer(
        api.POST('/api/v1/approval-requests/{id}/edit', { params, body: { arguments: decision.arguments as never } }),
      );
    case 'delegate': {
      const { way: _, ...body } = decision;
      return answer(api.POST('/api/v1/approval-requests/{id}/delegate', { params, body }));
    }
    case 'cancel':
      return answer(api.POST('/api/v1/approval-requests/{id}/cancel', { params }));
  }
}
