/**
 * Texts of models and data files made harmless to look at: characters that would turn a line around, hide, or drive a terminal are shown
 * by their code point. Needs nothing of Node, so that the page uses it too.
 */

/** Control and format characters, but for tabs, line ends and the joiner inside emoji. */
const HIDDEN = /(?![\t\n\r\u200d])[\p{Cc}\p{Cf}]/gu;

/** `a⟨U+202E⟩b` */
export function visibleText(text: string): string {
  return text.replace(
    HIDDEN,
    (character) => `⟨U+${character.codePointAt(0)!.toString(16).toUpperCase().padStart(4, '0')}⟩`,
  );
}
