// Not run: `npm run typecheck` holds the types of the package for React against it.
import type {} from '@visage/editor/react';

export function Picture({ id, ticket }: { id: string; ticket: () => Promise<string> }) {
  return (
    <>
      <visage-avatar-upload avatar-id={id} getTicket={ticket} may="upload remove" shape="square" lang="de" />
      <visage-avatar-upload
        required
        max-bytes={1_000_000}
        onvisage-change={({ detail }) => detail?.urls}
        texts={{ save: 'Store' }}
        onChange={(event) => event.currentTarget.fields}
      />
      {/* @ts-expect-error There is no such shape. */}
      <visage-avatar-upload shape="oval" />
      {/* @ts-expect-error There is no such text. */}
      <visage-avatar-upload texts={{ nothing: 'Store' }} />
    </>
  );
}
