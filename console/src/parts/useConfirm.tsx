import { type ReactNode, useState } from 'react';
import { ConfirmDialog, type Confirmation } from './ConfirmDialog.tsx';

/** A dialog that asks, and what opens it. */
export function useConfirm(): [ReactNode, (asked: Confirmation) => void] {
  const [asked, setAsked] = useState<Confirmation | null>(null);
  return [<ConfirmDialog key="confirm" asked={asked} close={() => setAsked(null)} />, setAsked];
}
