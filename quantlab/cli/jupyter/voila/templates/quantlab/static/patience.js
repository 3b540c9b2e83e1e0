// Where many read at once, answers take long. Two libraries give up after a time that they do not let us choose; here they get more.
// Voila asks for the states of all widgets in one message. After 4 s it asks for each of them instead: 1,800 questions for the
// playground, which take many times as long, and one answer that gets lost leaves the whole page without a living exhibit.
// anywidget: what has not begun after 2 s never will.
{
  const LONG = 600_000;
  const later = window.setTimeout, ends = AbortSignal.timeout.bind(AbortSignal);
  const of_voila = (does) => String(does).includes("Control comm did not respond");
  window.setTimeout = (does, ms, ...rest) => later(does, of_voila(does) ? LONG : ms, ...rest);
  AbortSignal.timeout = (ms) => ends(ms === 2000 ? LONG : ms);
}
