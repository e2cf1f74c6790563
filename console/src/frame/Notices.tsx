import { Notifications } from '@mantine/notifications';
import '@mantine/notifications/styles.css';
import { useEffect } from 'react';
import { useT } from '../i18n/index.tsx';
import { nameCloseButton } from '../parts/notices.ts';

/** Where results are told. Loaded after the page, which has none at first. */
export default function Notices() {
  const t = useT();
  useEffect(() => nameCloseButton(t.common.close), [t]);
  return <Notifications position="bottom-right" />;
}
