/** A name that says so if a page takes it for HTML: it changes the title, and makes an element of this kind. */
export const HOSTILE = `<img src=x onerror="document.title='owned'"><script>document.title='owned'</script>&lt;'"`;
/** What it would make. */
export const MADE = `img[src="x"]`;
