// The page is as light or as dark as the reader's system, at once when that changes.
{
  const dark = matchMedia("(prefers-color-scheme: dark)");
  const follow = () => {
    document.body.dataset.jpThemeLight = String(!dark.matches);
    document.body.dataset.jpThemeName = dark.matches ? "JupyterLab Dark" : "JupyterLab Light";
    document.documentElement.style.colorScheme = dark.matches ? "dark" : "light";
  };
  dark.addEventListener("change", follow);
  follow();
}
