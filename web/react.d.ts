import type { DetailedHTMLProps, HTMLAttributes } from 'react';
import type { Answer, VisageAvatarUpload, VisageError } from '@visage/editor';

/** The attributes of `<visage-avatar-upload>`. React 19 sets `getTicket` and `texts` as properties, and listens. */
interface EditorAttributes extends HTMLAttributes<VisageAvatarUpload> {
  accept?: string;
  'avatar-id'?: string;
  'base-url'?: string;
  'max-bytes'?: number;
  may?: string;
  required?: boolean;
  shape?: 'round' | 'square';
  'ticket-url'?: string;
  getTicket?: VisageAvatarUpload['getTicket'];
  texts?: Partial<VisageAvatarUpload['texts']>;
  'onvisage-change'?: (event: CustomEvent<Answer | null>) => void;
  'onvisage-error'?: (event: CustomEvent<VisageError>) => void;
}

declare module 'react' {
  namespace JSX {
    interface IntrinsicElements {
      'visage-avatar-upload': DetailedHTMLProps<EditorAttributes, VisageAvatarUpload>;
    }
  }
}
