import '@mantine/core/styles/baseline.css';
import '@mantine/core/styles/default-css-variables.css';
import '@mantine/core/styles/global.css';
import './mantine.css';
import './style.css';

import { MantineProvider } from '@mantine/core';
import { Notifications } from '@mantine/notifications';
import { QueryClient, QueryClientProvider } from '@tanstack/react-query';
import { RouterProvider } from '@tanstack/react-router';
import { StrictMode } from 'react';
import { createRoot } from 'react-dom/client';
import { ApiProblem, takeReturnAddress } from './api/client.ts';
import { MeProvider } from './api/me.tsx';
import { WordingProvider } from './i18n/index.tsx';
import { router } from './router.tsx';
import { theme } from './theme.ts';

declare global {
  // Read by the part of Mantine that locks scrolling behind dialogs.
  var __webpack_nonce__: string | undefined;
}

// Styles that are made at run time need what the content policy asks of them.
const nonce = document.querySelector<HTMLMetaElement>('meta[name=csp-nonce]')?.content ?? '';
globalThis.__webpack_nonce__ = nonce;

const client = new QueryClient({
  defaultOptions: {
    queries: {
      staleTime: 30_000,
      refetchOnWindowFocus: false,
      // What the gate decided does not change by asking again; what failed may.
      retry: (count, error) => count < 2 && !(error instanceof ApiProblem && error.status < 500),
    },
  },
});

const before = takeReturnAddress();
if (before) history.replaceState(null, '', before);

const root = document.getElementById('root');
if (root) {
  createRoot(root).render(
    <StrictMode>
      <MantineProvider theme={theme} defaultColorScheme="auto" getStyleNonce={() => nonce}>
        <WordingProvider>
          <QueryClientProvider client={client}>
            <Notifications position="bottom-right" />
            <MeProvider>
              <RouterProvider router={router} />
            </MeProvider>
          </QueryClientProvider>
        </WordingProvider>
      </MantineProvider>
    </StrictMode>,
  );
}
