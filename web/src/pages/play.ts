/** Every drawing, with the name that the address of a picture takes. */
const DRAWINGS = ['initials', 'color', 'mp', 'identicon', 'monsterid', 'retro', 'robohash', 'wavatar'];
const NAMES = ['Ada Lovelace', '李小龍', 'محمد', 'Zoë'];

const settings = find('#settings', HTMLFormElement);
const editor = document.createElement('visage-avatar-upload');

/** Gives the element what the form says. */
function apply(): void {
  const { id = '', key = '', shape = '', lang = '', dir = '', may = '' } = values();
  const attributes = { 'avatar-id': id, shape, lang, dir, may };
  for (const [name, value] of Object.entries(attributes)) editor.setAttribute(name, value);
  editor.getTicket = () => ticketFor(id, key, may);
  const shown = Object.entries({ 'ticket-url': '/avatar-ticket', ...attributes });
  const text = shown.map(([name, value]) => ` ${name}="${value}"`).join('');
  find('#markup', HTMLElement).textContent = `<visage-avatar-upload${text}></visage-avatar-upload>`;
}

/** What the server of an application does. */
async function ticketFor(id: string, key: string, may: string): Promise<string> {
  const answer = await fetch(`../v1/avatars/${encodeURIComponent(id)}/tickets`, {
    method: 'POST',
    headers: key === '' ? {} : { Authorization: `Bearer ${key}` },
    body: JSON.stringify({ may: may.split(' ') }),
  });
  const { ticket, detail } = (await answer.json()) as { ticket?: string; detail?: string };
  if (ticket === undefined) throw new Error(detail ?? `status ${answer.status}`);
  return ticket;
}

function draw(): void {
  const pictures = DRAWINGS.flatMap((kind) =>
    NAMES.map((name, i) => {
      const query = new URLSearchParams({ default: kind, size: '96', ...(kind === 'initials' && { name }) });
      const picture = document.createElement('img');
      Object.assign(picture, {
        width: 48,
        height: 48,
        loading: 'lazy',
        alt: `${kind}, ${name}`,
        title: kind,
      });
      picture.src = `../v1/avatars/nobody-${i}?${query.toString()}`;
      return picture;
    }),
  );
  find('#drawings', HTMLElement).replaceChildren(...pictures);
}

function values(): Record<string, string> {
  return Object.fromEntries(new FormData(settings)) as Record<string, string>;
}

function tell(text: string): void {
  find('#told', HTMLElement).textContent = text;
}

function find<T extends HTMLElement>(selector: string, type: new () => T): T {
  const element = document.querySelector(selector);
  if (element instanceof type) return element;
  throw new Error(`the page has no ${selector}`);
}

editor.addEventListener('visage-change', ({ detail }) => {
  tell(`visage-change: ${detail?.version ?? 'removed'}`);
});
editor.addEventListener('visage-error', ({ detail }) => {
  tell(`visage-error: ${detail.code}: ${detail.message}`);
});
settings.addEventListener('change', apply);
settings.addEventListener('submit', (event) => {
  event.preventDefault();
});
apply();
find('#editor', HTMLElement).append(editor);
draw();
