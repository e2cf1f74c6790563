import { Notifications } from '@mantine/notifications';
import '@mantine/notifications/styles.css';

/** Where results are told. Loaded after the page, which has none at first. */
export default function Notices() {
  return <Notifications position="bottom-right" />;
}
