/** Text inside of XML and HTML documents. */

const ENTITIES: Readonly<Record<string, string>> = { '&': '&amp;', '<': '&lt;', '>': '&gt;', '"': '&quot;' };

/** Marks escaped; characters XML forbids become blanks. */
export function escapeXml(content: string): string {
  return content
    .replace(/[&<>"]/g, (char) => ENTITIES[char]!)
    .replace(/\p{Surrogate}|\p{Cc}|[\ufffe\uffff]/gu, ' ');
}
