import { Button, type MantineColorScheme, Menu, useMantineColorScheme } from '@mantine/core';
import {
  IconDeviceDesktop,
  IconKey,
  IconLink,
  IconMessageReport,
  IconMoon,
  IconShieldCheck,
  IconSun,
  IconUser,
} from '@tabler/icons-react';
import { signIn } from '../api/client.ts';
import { useMe } from '../api/me.tsx';
import { type Language, useWording, type Zone, ZONES } from '../i18n/index.tsx';
import { To } from '../parts/links.tsx';

const SCHEMES = [
  { name: 'light', icon: IconSun },
  { name: 'dark', icon: IconMoon },
  { name: 'auto', icon: IconDeviceDesktop },
] as const;

/** Who is signed in, their own pages, and how the console looks to them. */
export function AccountMenu() {
  const me = useMe();
  const { t, language, setLanguage, zone, setZone } = useWording();
  const { colorScheme, setColorScheme } = useMantineColorScheme();
  const oneFactor = me.kind === 'user' && !me.authentication.mfa;
  return (
    <Menu position="bottom-end" width={260}>
      <Menu.Target>
        <Button variant="subtle" size="xs" leftSection={<IconUser size={16} />} className="account">
          {me.name}
        </Button>
      </Menu.Target>
      <Menu.Dropdown>
        <Menu.Label>{t.account.mine}</Menu.Label>
        <Menu.Item component="a" href="/connections" leftSection={<IconLink size={16} />}>
          {t.account.connections}
        </Menu.Item>
        <Menu.Item component="a" href="/account" leftSection={<IconKey size={16} />}>
          {t.account.authenticators}
        </Menu.Item>
        <Menu.Item renderRoot={(props) => <To {...props} to="/false-alarm" />} leftSection={<IconMessageReport size={16} />}>
          {t.account.falseAlarm}
        </Menu.Item>
        {oneFactor && (
          <Menu.Item leftSection={<IconShieldCheck size={16} />} onClick={() => signIn('mfa')}>
            {t.account.stepUp}
          </Menu.Item>
        )}
        <Menu.Label>{t.account.language}</Menu.Label>
        <Menu.RadioGroup value={language} onChange={(one) => setLanguage(one as Language)}>
          <Menu.RadioItem value="ja" lang="ja">
            日本語
          </Menu.RadioItem>
          <Menu.RadioItem value="en" lang="en">
            English
          </Menu.RadioItem>
        </Menu.RadioGroup>
        <Menu.Label>{t.account.zone}</Menu.Label>
        <Menu.RadioGroup value={zone} onChange={(one) => setZone(one as Zone)}>
          {ZONES.map((one) => (
            <Menu.RadioItem key={one} value={one}>
              {t.account.zones[one]}
            </Menu.RadioItem>
          ))}
        </Menu.RadioGroup>
        <Menu.Label>{t.account.look}</Menu.Label>
        <Menu.RadioGroup value={colorScheme} onChange={(one) => setColorScheme(one as MantineColorScheme)}>
          {SCHEMES.map(({ name, icon: Icon }) => (
            <Menu.RadioItem key={name} value={name} rightSection={<Icon size={16} />}>
              {t.account.looks[name]}
            </Menu.RadioItem>
          ))}
        </Menu.RadioGroup>
      </Menu.Dropdown>
    </Menu>
  );
}
