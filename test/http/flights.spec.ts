import { Flights } from '../../src/delivery/flights.js';

describe('requests for the same answer', () => {
  const going = (flights: Flights, key: string) => {
    const went: number[] = [];
    const followed = [1, 2].map((n) => flights.follow(key, () => went.push(n)));
    return { went, followed };
  };

  it('wait until it is there, each of them once', () => {
    const flights = new Flights();
    expect(going(flights, 'a').followed).toEqual([false, false]);
    flights.lead('a');
    const { went, followed } = going(flights, 'a');
    expect([followed, went]).toEqual([[true, true], []]);
    flights.end('b');
    expect(went).toEqual([]);
    flights.end('a');
    flights.end('a');
    expect(went).toEqual([1, 2]);
    expect(going(flights, 'a').followed).toEqual([false, false]);
  });

  it('are released when there will be no more answers', () => {
    const flights = new Flights();
    flights.lead('a');
    const { went } = going(flights, 'a');
    flights.endAll();
    expect(went).toEqual([1, 2]);
  });

  it('do not wait forever', async () => {
    const flights = new Flights();
    flights.lead('a');
    await new Promise<void>((resolve) => flights.follow('a', resolve));
    expect(going(flights, 'a').followed).toEqual([false, false]);
  });
});
