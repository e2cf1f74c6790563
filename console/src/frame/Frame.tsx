import { AppShell, Burger, Button, Group, Kbd, NavLink, Text } from '@mantine/core';
import { useDisclosure } from '@mantine/hooks';
import { IconSearch } from '@tabler/icons-react';
import { Outlet, useRouterState } from '@tanstack/react-router';
import { lazy, Suspense, useEffect } from 'react';
import { useLiveUpdates } from '../api/live.ts';
import { useT } from '../i18n/index.tsx';
import { AccountMenu } from './AccountMenu.tsx';
import { openPalette, useKeys, usePaletteWanted } from './keys.ts';
import { PLACES } from './places.ts';
import { To } from '../parts/links.tsx';

const Palette = lazy(() => import('./Palette.tsx'));

/** What is around every screen. */
export function Frame() {
  const t = useT();
  const [opened, { toggle, close }] = useDisclosure();
  const path = useRouterState({ select: (state) => state.location.pathname });
  const here = PLACES.find((place) => (place.path === '/' ? path === '/' : path.startsWith(place.path)));
  useKeys();
  const palette = usePaletteWanted();
  useLiveUpdates();
  const title = here ? t.places[here.name] : t.frame.name;
  useEffect(() => {
    document.title = `${title} – ${t.frame.name}`;
  }, [title, t]);
  return (
    <AppShell header={{ height: 52 }} navbar={{ width: 208, breakpoint: 'sm', collapsed: { mobile: !opened } }} padding="md">
      <a className="skip" href="#main">
        {t.frame.skip}
      </a>
      <AppShell.Header>
        <Group h="100%" px="md" justify="space-between" wrap="nowrap">
          <Group gap="xs" wrap="nowrap">
            <Burger opened={opened} onClick={toggle} hiddenFrom="sm" size="sm" aria-label={t.frame.menu} />
            <To to="/" className="brand">
              <img src="/ui/icon.svg" alt="" width={24} height={24} />
              <Text component="span" fw={700}>
                {t.frame.name}
              </Text>
            </To>
          </Group>
          <Group gap="xs" wrap="nowrap">
            <Button
              variant="default"
              size="xs"
              leftSection={<IconSearch size={14} />}
              rightSection={<Kbd size="xs">Ctrl K</Kbd>}
              onClick={openPalette}
              visibleFrom="sm"
            >
              {t.frame.find}
            </Button>
            <AccountMenu />
          </Group>
        </Group>
      </AppShell.Header>
      <AppShell.Navbar p="xs" aria-label={t.frame.navigation}>
        {PLACES.map((place) => (
          <NavLink
            key={place.path}
            renderRoot={(props) => <To {...props} to={place.path} />}
            label={t.places[place.name]}
            leftSection={<place.icon size={18} aria-hidden />}
            active={place === here}
            aria-current={place === here ? 'page' : undefined}
            onClick={close}
          />
        ))}
      </AppShell.Navbar>
      <AppShell.Main id="main" className="main">
        <Outlet />
      </AppShell.Main>
      {palette > 0 && (
        <Suspense fallback={null}>
          <Palette wanted={palette} />
        </Suspense>
      )}
    </AppShell>
  );
}
