// A busy machine, for a test: a long answer of the kernel arrives after 5 s, and the page stands still for 3 s where its
// first own widget begins.
{
  const proto = WebSocket.prototype, own = Object.getOwnPropertyDescriptor(proto, "onmessage");
  let from = 0;
  Object.defineProperty(proto, "onmessage", { ...own, set(heard) {
    own.set.call(this, (event) => {
      const now = performance.now(), size = event.data.byteLength ?? event.data.length ?? 0;
      if (size > 100_000 && !from) from = now + 5000;
      from > now ? setTimeout(() => heard.call(this, event), from - now) : heard.call(this, event);
    });
  } });
  const address_of = URL.createObjectURL;
  let stood = false;
  URL.createObjectURL = (made) => {
    const until = performance.now() + 3000;
    while (!stood && performance.now() < until);
    stood = true;
    return address_of(made);
  };
}
