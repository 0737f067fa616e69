import { Link } from 'wouter'
import { Page } from '../kit/page.tsx'
import { Empty } from '../kit/states.tsx'

export const NotFound = () => (
  <Page title="Nothing here">
    <Empty title="No page has this address.">
      <Link href="/">Go to the first page</Link>
    </Empty>
  </Page>
)
