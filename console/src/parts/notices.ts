import { notifications } from '@mantine/notifications';

let closeLabel = '';

/** Notices are told of from anywhere; whoever knows the language says what their buttons are called. */
export function nameCloseButton(label: string): void {
  closeLabel = label;
}

/** Tells of a result. Nothing else is told this way. */
export function succeeded(message: string): void {
  notifications.show({ message, color: 'teal', autoClose: 5000, closeButtonProps: { 'aria-label': closeLabel } });
}
