import { local } from '../support/local.js';
import { FORM, form, problemOf } from './support/client.js';
import { Harness } from './support/harness.js';
import { picture } from './support/pictures.js';

const CROPS = [
  '0,0,65,64',
  '0,0,64,65',
  '1,0,64,64',
  '64,64,1,1',
  '99999,0,1,1',
  '0,0,0,64',
  '0,0,64,0',
  '-1,0,9,9',
  '0,0,9',
  '0,0,9,9,9',
  '',
  ' ',
  '0,0,1e1,9',
  '0,0,0x9,9',
  '0,0,9.5,9',
  '0,0,NaN,9',
  '0;0;9;9',
  '00000000,0,9,9',
  '0,0,999999,9',
  '\u0660,0,9,9',
];
const SIZES = [
  'size=',
  'size=0',
  'size=-64',
  'size=15',
  'size=1025',
  'size=1e9',
  'size=64.5',
  'size=NaN',
  'size=Infinity',
  'size=null',
  'size=true',
  'size=abc',
  'size=64px',
  'size=64&size=64',
  'size=64&size=x',
  'size=99999999999999999999',
  'size=%00',
];
const FORMATS = [
  'format=',
  'format=tiff',
  'format=JPEG',
  'format=jpg',
  'format=svg',
  'format=jpeg&format=png',
  'format=%00',
  'format=..%2f',
];

/** Harmless values that we do not accept as numbers. */
const ODD = [
  'size=1e2',
  'size=0x40',
  'size=%2064',
  'size=064',
  'size=%2B64',
  'size[]=64',
  'size[a]=64',
  'format[]=png',
  'constructor=1',
  '__proto__=1',
  '__proto__[size]=1',
  'toString=1',
  'then=1',
  'size=64&__proto__=x',
  '%',
  '%zz=1',
  'size=%zz',
  '=',
  '&&&',
  `long=${'a'.repeat(4000)}`,
];

describe('parameters', () => {
  let harness: Harness;
  const there = '/v1/avatars/there';

  beforeAll(async () => {
    harness = await Harness.start(await local.environment());
    expect((await harness.put(there, { body: await picture('png') })).status).toBe(201);
  });
  afterAll(() => harness.stop());

  it.each(CROPS)('refuses the crop "%s", in the query and in the form', async (crop) => {
    const refused = { status: 400, code: 'invalid_crop', parameter: 'crop' };
    const body = await picture('png');
    expect(await harness.refusal({ body }, `?crop=${encodeURIComponent(crop)}`)).toEqual(refused);
    const parts = [
      { name: 'crop', content: crop },
      { filename: 'a.png', content: body },
    ];
    expect(await harness.refusal({ headers: FORM, body: form(...parts) })).toEqual(refused);
    expect(await harness.refusal({ headers: FORM, body: form(...parts.reverse()) })).toEqual(refused);
  });

  it.each(['', '1', '45', '-90', '360', '090', '90deg', ' 90'])(
    'refuses to rotate by "%s", in the query and in the form',
    async (rotate) => {
      const refused = { status: 400, code: 'invalid_rotate', parameter: 'rotate' };
      const body = await picture('png');
      expect(await harness.refusal({ body }, `?rotate=${encodeURIComponent(rotate)}`)).toEqual(refused);
      const sent = form({ name: 'rotate', content: rotate }, { filename: 'a.png', content: body });
      expect(await harness.refusal({ headers: FORM, body: sent })).toEqual(refused);
      expect(await harness.refusal({ headers: FORM, body: sent }, '?rotate=90')).toEqual(refused);
    },
  );

  it('refuses more than one crop', async () => {
    const refused = { status: 400, code: 'invalid_crop', parameter: 'crop' };
    const body = await picture('png');
    expect(await harness.refusal({ body }, '?crop=0,0,9,9&crop=0,0,9,9')).toEqual(refused);
    for (const name of ['crop', 'crop[]', 'crop[x]']) {
      const crop = { name, content: '0,0,9,9' };
      const twice = form(crop, crop, { filename: 'a.png', content: body });
      expect(await harness.refusal({ headers: FORM, body: twice })).toEqual(refused);
    }
  });

  it.each([...SIZES.map((query) => [query, 'size']), ...FORMATS.map((query) => [query, 'format'])])(
    'refuses ?%s and names %s',
    async (query, parameter) => {
      await harness.leavesNothing(async () => {
        for (const path of [there, `${there}/url`, '/v1/avatars/absent']) {
          const problem = problemOf(await harness.send({ path: `${path}?${query}` }));
          expect(problem).toEqual({ status: 400, code: `invalid_${parameter}`, parameter });
        }
      });
    },
  );

  it.each(['%', '%zz=1', 'size=%zz', 'default=initials&name=%zz', 'name=100%&size=64', 'name=%ff', 'x=%'])(
    'refuses ?%s, which nobody can decode, but not at /avatar/',
    async (query) => {
      await harness.leavesNothing(async () => {
        // Twice: the second answer may come from memory.
        for (const path of [there, there, `${there}/info`, '/v1/sheets', '/v1/avatars/absent']) {
          const problem = problemOf(await harness.send({ path: `${path}?${query}` }));
          expect(problem).toEqual({ status: 400, code: 'bad_request' });
        }
        expect((await harness.send({ path: `/avatar/${'0'.repeat(32)}?${query}` })).status).toBe(200);
      });
    },
  );

  it.each(ODD.map((query) => [query.slice(0, 30), query]))(
    'makes sense of ?%s or refuses it',
    async (_, query) => {
      await harness.leavesNothing(async () => {
        const answer = await harness.send({ path: `${there}?${query}` });
        if (answer.status === 200) expect(answer.headers['content-type']).toMatch(/^image\//);
        else expect(problemOf(answer).status).toBe(400);
      });
    },
  );
});
