import { describe, expect, it } from 'vitest';
import { allElements, parseXml, textOf } from './xml.js';

describe('parseXml', () => {
  it('reads elements, attributes and text', () => {
    const root = parseXml('<a x="1 &lt; 2"><b/>t&amp;u<c>v</c></a>\n');
    expect(root.attributes.get('x')).toBe('1 < 2');
    expect(allElements(root).map(({ name }) => name)).toEqual(['a', 'b', 'c']);
    expect(textOf(root)).toBe('t&uv');
  });

  it.each([
    ['<a><b></a>', /closes another/],
    ['<a>', /not closed/],
    ['<a/><b/>', /2 root/],
    ['<a>1 < 2</a>', /no tag/],
    ['<a>&nbsp;</a>', /unknown entity/],
    ['<a>a & b</a>', /unknown entity/],
    ["<a x='1'/>", /no tag/],
    ['<a x="<"/>', /no tag/],
    ['<a x="1" x="2"/>', /twice/],
    ['<a><!-- x --></a>', /no tag/],
    ['<a>\u0007</a>', /forbidden character U\+7/],
    ['<a>\ud800</a>', /forbidden character/],
    ['<a>\uffff</a>', /forbidden character/],
  ])('refuses %j', (text, message) => {
    expect(() => parseXml(text)).toThrow(message);
  });
});
