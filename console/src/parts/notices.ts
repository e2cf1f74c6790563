import { notifications } from '@mantine/notifications';

/** Tells of a result. Nothing else is told this way. */
export function succeeded(message: string): void {
  notifications.show({ message, color: 'teal', autoClose: 5000 });
}
