// The address of a picture on the site: the exhibit, and the handles that do not stand where they stand at first, as
// in "#explore_llama?bits=2&scale=one+for+every+32+pixels". The notebook (assistant.js) and the pages
// (tools/site/site.js) both begin with this file, so there is one spelling.
const picture_address = {
  spell(page, id, moved) {
    const words = new URLSearchParams(moved.map(([name, value]) => [name, String(value)])).toString();
    return `${page}#${id}${words && `?${words}`}`;
  },
  read(hash) {
    const [, id, words] = hash.match(/^#(\w[\w-]*)\?(.*)$/) ?? [];
    return { id, asked: new URLSearchParams(words) };
  },
};
