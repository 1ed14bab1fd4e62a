import { local } from '../support/local.js';
import { BOUNDARY, FORM, type Outgoing, fileForm, form, openPart, problemOf } from './support/client.js';
import { Harness } from './support/harness.js';
import { picture } from './support/pictures.js';
import { RawConnection, head } from './support/raw.js';

type Body = Omit<Outgoing, 'path' | 'method'>;

const NAMED = { filename: 'a.png', content: 'x' };
const FILE = 'file';

const FORMS: [name: string, code: string, outgoing: Body, parameter?: string][] = [
  ['a form without a part', 'no_file', { headers: FORM, body: form() }, FILE],
  [
    'a form with a crop only',
    'no_file',
    { headers: FORM, body: form({ name: 'crop', content: '0,0,1,1' }) },
    FILE,
  ],
  ['a form whose file is a text field', 'no_file', { headers: FORM, body: form({ content: 'x' }) }, FILE],
  [
    'a form whose file was not chosen',
    'no_file',
    { headers: FORM, body: form({ filename: '', content: '' }) },
    FILE,
  ],
  ['two files', 'too_many_files', { headers: FORM, body: form(NAMED, NAMED) }, FILE],
  [
    'two files in two fields',
    'too_many_files',
    { headers: FORM, body: form(NAMED, { ...NAMED, name: 'b' }) },
    FILE,
  ],
  [
    'a file in another field',
    'unexpected_field',
    { headers: FORM, body: form({ ...NAMED, name: 'b' }) },
    FILE,
  ],
  [
    'a form that names no boundary',
    'invalid_boundary',
    { headers: { 'content-type': 'multipart/form-data' }, body: form(NAMED) },
  ],
  [
    'an empty boundary',
    'invalid_boundary',
    { headers: { 'content-type': 'multipart/form-data; boundary=' }, body: form(NAMED) },
  ],
  [
    'the boundary of another form',
    'invalid_boundary',
    { headers: { 'content-type': 'multipart/form-data; boundary=other' }, body: form(NAMED) },
  ],
  ['a form that ends in its file', 'truncated_body', { headers: FORM, body: form(NAMED).subarray(0, -9) }],
  ['a form that ends before its file', 'truncated_body', { headers: FORM, body: openPart(NAMED) }],
  [
    'a form that ends after a field',
    'truncated_body',
    { headers: FORM, body: form({ name: 'crop', content: '0,0,1,1' }).subarray(0, -4) },
  ],
  [
    'a form that ends in the headers of its part',
    'truncated_body',
    { headers: FORM, body: openPart(NAMED).slice(0, -10) },
  ],
  ['an empty file in a form', 'empty_file', fileForm(Buffer.alloc(0))],
  ['an empty body', 'empty_file', { headers: { 'content-length': 0 } }],
  ['an empty body in chunks', 'empty_file', { headers: { 'transfer-encoding': 'chunked' } }],
  [
    'a field that is too long',
    'invalid_form',
    { headers: FORM, body: form({ name: 'crop', content: '1'.repeat(2000) }) },
  ],
  [
    'a field whose name is too long',
    'invalid_form',
    { headers: FORM, body: form({ name: 'n'.repeat(200), content: '1' }) },
  ],
  [
    'too many fields',
    'invalid_form',
    { headers: FORM, body: form(...Array.from({ length: 9 }, (_, n) => ({ name: `f${n}`, content: '1' }))) },
  ],
  [
    'a part without a name',
    'invalid_form',
    { headers: FORM, body: Buffer.from(form(NAMED).toString().replace('name="file"; ', '')) },
  ],
];

describe('bad forms', () => {
  let harness: Harness;

  beforeAll(async () => {
    harness = await Harness.start(await local.environment());
  });
  afterAll(() => harness.stop());

  const rows = FORMS.map(([name, code, outgoing, parameter]) => ({ name, code, outgoing, parameter }));
  it.each(rows)('answers $name with $code', async ({ code, outgoing, parameter }) => {
    const problem = await harness.refusal(outgoing);
    expect(problem).toEqual({ status: 400, code, ...(parameter !== undefined && { parameter }) });
  });

  it.each([1, 1024, 1025, 50_000])(
    'says what is wrong with a file of %d bytes in a text field',
    async (size) => {
      const answer = await harness.put('/v1/avatars/text', {
        headers: FORM,
        body: form({ content: 'x'.repeat(size) }),
      });
      expect(problemOf(answer)).toEqual({ status: 400, code: 'no_file', parameter: 'file' });
      expect(answer.body.toString()).toMatch(/is text.*file name/);
    },
  );

  it('accepts a crop in the query or in the form, but not two that differ', async () => {
    const upload = async (inQuery: string, inForm: string) =>
      harness.put(`/v1/avatars/cropped?crop=${inQuery}`, {
        headers: FORM,
        body: form({ name: 'crop', content: inForm }, { filename: 'me.png', content: await picture('png') }),
      });
    const differing = problemOf(await upload('0,0,32,32', '0,0,32,31'));
    expect(differing).toEqual({ status: 400, code: 'invalid_crop', parameter: 'crop' });
    const broken = problemOf(await upload('0,0,32,32', 'all'));
    expect(broken).toEqual({ status: 400, code: 'invalid_crop', parameter: 'crop' });
    expect((await upload('0,0,32,32', '0,0,32,32')).status).toBe(201);
  });

  it('accepts a rotation in the query or in the form, but not two that differ, and 0 is none', async () => {
    const upload = async (inQuery: string, ...inForm: string[]) => {
      const fields = inForm.map((content) => ({ name: 'rotate', content }));
      const body = form(...fields, { filename: 'me.png', content: await picture('png') });
      return harness.put(`/v1/avatars/turned${inQuery}`, { headers: FORM, body });
    };
    const differing = { status: 400, code: 'invalid_rotate', parameter: 'rotate' };
    expect(problemOf(await upload('?rotate=90', '270'))).toEqual(differing);
    expect(problemOf(await upload('?rotate=90', '0'))).toEqual(differing);
    const statuses = [];
    for (const [query, ...fields] of [
      ['?rotate=90', '90'],
      ['', '90'],
      ['?rotate=0'],
      [''],
      ['', '0'],
      ['', '90'],
    ])
      statuses.push((await upload(query ?? '', ...fields)).status);
    expect(statuses).toEqual([201, 200, 201, 200, 200, 201]);
  });

  it('answers a request without a body with no_file', async () => {
    await harness.leavesNothing(async (path) => {
      const connection = await RawConnection.open(harness.service.url);
      connection.send(head('PUT', path));
      expect(problemOf(await connection.answer())).toEqual({ status: 400, code: 'no_file' });
      connection.close();
    });
  });

  it.each([
    ['quoted', `multipart/form-data; boundary="${BOUNDARY}"`],
    ['behind a charset', `Multipart/Form-Data; charset=utf-8; Boundary=${BOUNDARY}`],
  ])('accepts a boundary that is %s', async (_, contentType) => {
    const body = form({ filename: 'me.png', content: await picture('png') });
    const answer = await harness.put('/v1/avatars/quoted', {
      headers: { 'content-type': contentType },
      body,
    });
    expect([200, 201]).toContain(answer.status);
  });
});
