/** An element of a parsed document. */
export interface XmlElement {
  name: string;
  attributes: Map<string, string>;
  children: (XmlElement | string)[];
}

const NAME = '[A-Za-z][A-Za-z0-9:-]*';
const TOKEN = new RegExp(`<(/?)(${NAME})((?:\\s+${NAME}="[^"<]*")*)\\s*(/?)>|[^<]+`, 'y');
const ENTITIES: Record<string, string> = { amp: '&', lt: '<', gt: '>', quot: '"', '#39': "'" };

/**
 * A strict parser for the XML that the library writes: elements, double-quoted attributes, text. Anything else throws:
 * a stray < or &, a character that XML 1.0 forbids, a tag that is not closed, comments, declarations, CDATA.
 */
export function parseXml(text: string): XmlElement {
  // The Char production of XML 1.0: anything but these.
  const forbidden = /[^\t\n\r\u0020-\ud7ff\ue000-\ufffd\u{10000}-\u{10ffff}]/u.exec(text);
  if (forbidden) throw new Error(`forbidden character U+${forbidden[0].codePointAt(0)?.toString(16)}`);
  const root: XmlElement = { name: '', attributes: new Map(), children: [] };
  const open = [root];
  TOKEN.lastIndex = 0;
  while (TOKEN.lastIndex < text.length) {
    const at = TOKEN.lastIndex;
    const match = TOKEN.exec(text);
    if (match === null) throw new Error(`no tag and no text at ${at}: ${text.slice(at, at + 40)}`);
    const [whole, closing, name, attributes, selfClosing] = match;
    const parent = open[open.length - 1];
    if (name === undefined) {
      parent.children.push(decode(whole));
    } else if (closing) {
      if (open.pop()?.name !== name) throw new Error(`</${name}> closes another element`);
    } else {
      const element: XmlElement = { name, attributes: parseAttributes(attributes), children: [] };
      parent.children.push(element);
      if (!selfClosing) open.push(element);
    }
  }
  if (open.length !== 1) throw new Error(`<${open[open.length - 1]?.name}> is not closed`);
  const elements = root.children.filter((child) => typeof child !== 'string');
  if (elements.length !== 1) throw new Error(`${elements.length} root elements`);
  return elements[0];
}

/** The element and all elements within it, in order. */
export function allElements(element: XmlElement): XmlElement[] {
  const inner = element.children.flatMap((child) => (typeof child === 'string' ? [] : allElements(child)));
  return [element, ...inner];
}

export function textOf(element: XmlElement): string {
  return element.children.map((child) => (typeof child === 'string' ? child : textOf(child))).join('');
}

function parseAttributes(text: string): Map<string, string> {
  const found = [...text.matchAll(new RegExp(`(${NAME})="([^"]*)"`, 'g'))].map(
    ([, name, value]) => [name, decode(value)] as const,
  );
  if (new Set(found.map(([name]) => name)).size !== found.length) throw new Error(`an attribute twice in ${text}`);
  return new Map(found);
}

function decode(text: string): string {
  return text.replace(/&([^;]*;?)/g, (whole, name: string) => {
    const character = name.endsWith(';') ? ENTITIES[name.slice(0, -1)] : undefined;
    if (character === undefined) throw new Error(`unknown entity ${whole}`);
    return character;
  });
}
