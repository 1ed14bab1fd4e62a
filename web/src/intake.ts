import type { View } from './view.js';

/**
 * Takes files that the user chooses, photographs, drops, or pastes.
 * @param host the element, on which files are dropped
 * @returns what takes a file from a paste anywhere on the page, for as long as the element is there
 */
export function followFiles(
  host: HTMLElement,
  view: View,
  take: (file: File) => void,
): (event: ClipboardEvent) => void {
  const takeFirst = (files: FileList | null): void => {
    const file = files?.[0];
    if (file && !host.matches(':disabled')) take(file);
  };

  for (const [button, input] of [
    [view.choose, view.file],
    [view.another, view.file],
    [view.photograph, view.camera],
  ] as const) {
    button.addEventListener('click', () => {
      input.click();
    });
  }
  for (const input of [view.file, view.camera]) {
    input.addEventListener('change', () => {
      takeFirst(input.files);
      // The same file may be chosen again.
      input.value = '';
    });
  }

  const over = (isOver: boolean): void => {
    view.root.classList.toggle('over', isOver);
  };
  host.addEventListener('dragover', (event) => {
    if (!event.dataTransfer?.types.includes('Files')) return;
    // The browser would leave the page for the file.
    event.preventDefault();
    over(true);
  });
  host.addEventListener('dragleave', () => {
    over(false);
  });
  host.addEventListener('drop', (event) => {
    over(false);
    if (!event.dataTransfer?.types.includes('Files')) return;
    event.preventDefault();
    takeFirst(event.dataTransfer.files);
  });

  return (event) => {
    const target = event.composedPath()[0];
    const isText = target instanceof Element && target.matches('input, textarea, [contenteditable]');
    const files = event.clipboardData?.files;
    // Another element may have taken it.
    if (isText || !files?.length || event.defaultPrevented || !host.checkVisibility()) return;
    event.preventDefault();
    takeFirst(files);
  };
}
