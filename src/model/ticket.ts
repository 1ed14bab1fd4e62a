/** What a ticket may let a browser do with its avatar. */
export const TICKET_ACTIONS = ['upload', 'remove', 'restore'] as const;
export type TicketAction = (typeof TICKET_ACTIONS)[number];

/** Lets its bearer change one avatar for a short time, and upload one picture. */
export interface Ticket {
  /** A UUIDv7; its time is when the ticket was made. */
  name: string;
  /** The avatar. */
  id: string;
  may: readonly TicketAction[];
  /** Of an upload; absent: as many as are accepted from anybody. */
  maxBytes?: number | undefined;
  /** The only one whose pages may use it, beside Visage's own; absent: pages of all. */
  origin?: string | undefined;
}
