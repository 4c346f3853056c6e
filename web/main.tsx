import { render } from 'preact'
import { Page } from './components/page'
import './style/colors.css'
import './style/base.css'
import './style/form.css'
import './style/pictures.css'

const page = document.getElementById('page')
if (page === null) throw new Error('Expected an element with the id page in index.html')
render(<Page />, page)
