// Requests for approval, as the REST API tells of them.

import { answer, api, type Page } from './client.ts';

export type Which = 'for-me' | 'mine' | 'decided';

export interface ApprovalRequest {
  id: string;
  state: string;
  requester: { id: string; name: string; kind: string };
  client: { id: string; claimed_name?: string | null };
  target: {
    connector: string;
    kind: string;
    name: string;
    class: string;
    environment: string;
    data_classes: string[];
  };
  reasons: { policy: string; reason: string }[];
  risk: string;
  approvers: { chosen_by: string; groups: string[]; people: string[]; quorum: number; agreed: number; step_up: boolean }[];
  votes: { by: string; name: string; note?: string | null; at: string }[];
  edits: { by: string; name: string; at: string }[];
  delegations: { from: string; to: string; to_name: string; at: string }[];
  closing?: { name?: string | null; reason?: string | null; at: string } | null;
  arguments_digest: string;
  created_at: string;
  expires_at: string;
}

export interface ApprovalDetails extends ApprovalRequest {
  arguments: unknown;
  arguments_masked: boolean;
  history: { id: string; state: string; requester: string; decided_by: string[]; created_at: string }[];
  may: { decide: boolean; why_not?: string | null; cancel: boolean };
}

export type Decision =
  | { way: 'approve'; arguments_digest: string; note?: string }
  | { way: 'refuse'; reason: string }
  | { way: 'edit'; arguments: unknown }
  | { way: 'delegate'; to: string }
  | { way: 'cancel' };

const ADDRESS = '/api/v1/approval-requests';

export function listRequests(filter: Which, cursor: string | undefined, signal: AbortSignal): Promise<Page<ApprovalRequest>> {
  const query = { filter, limit: 200, ...(cursor ? { cursor } : {}) };
  return answer(api.GET(ADDRESS as never, { params: { query }, signal } as never));
}

export function getRequest(id: string): Promise<ApprovalDetails> {
  return answer(api.GET(`${ADDRESS}/{id}` as never, { params: { path: { id } } } as never));
}

export function decide(id: string, { way, ...body }: Decision): Promise<unknown> {
  const told = way === 'cancel' ? {} : { body };
  return answer(api.POST(`${ADDRESS}/{id}/${way}` as never, { params: { path: { id } }, ...told } as never));
}
